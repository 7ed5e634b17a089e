"""Render slides, train networks on slides, and measure how well they do."""
