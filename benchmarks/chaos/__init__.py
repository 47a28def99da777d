"""Breaking the service, what it leans on and what it watches, again and again: nothing may be lost or left."""
