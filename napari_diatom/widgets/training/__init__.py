"""The dock widget *Fine-tune a model*: from annotated slides to a tested model."""
