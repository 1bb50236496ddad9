"""From truth to events: losses of energy, their photons, and what the modules make of them.

Simulation and reconstruction share ice and light in code, so this tests machinery and statistics, and how regions
grow when the world differs from the model (`conditions`). How well the model describes ice is tested on
simulation photon by photon.
"""
