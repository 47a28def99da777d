"""Who is told what: rules over what was recorded, incidents, and notices about them."""
