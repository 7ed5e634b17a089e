"""What is installed, what the machine has, and what is known to go wrong."""
