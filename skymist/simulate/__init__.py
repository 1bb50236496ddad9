"""From truth to events."""
