"""Fine-tuning: from annotated slides and one file of settings to a tested model in a folder of its own."""
