"""Images read and made in processes of their own. This file imports nothing, for the processes start through it."""
