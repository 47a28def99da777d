"""What runs cost: metered while they run, priced when they end."""
