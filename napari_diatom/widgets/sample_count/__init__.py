"""The dock widget *Count a sample*: field by field to the target of a protocol, with what was counted so far."""
