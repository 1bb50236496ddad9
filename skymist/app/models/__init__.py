"""What pages know and do, without a browser: no Panel here."""
