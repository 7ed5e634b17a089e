"""The dock *Project settings*: what a project has agreed on, a page for each subject."""
