"""What things take, beside named alternatives or at growing sizes."""
