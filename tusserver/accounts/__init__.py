"""Users and upload links."""
