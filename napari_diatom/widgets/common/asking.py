"""Questions to the user, with buttons that name the action."""

from __future__ import annotations

from qtpy.QtWidgets import QApplication, QMessageBox, QPushButton, QWidget

_UNSEEN = ("offscreen", "minimal")
"""Qt platforms without a screen."""


def ask(parent: QWidget | None, title: str, text: str, *answers: str) -> int:
    """Ask a question and return the number of the chosen answer, from 0.

    Parameters
    ----------
    parent : QWidget or None
        The window in front of which the question appears.
    title, text : str
        Title and text of the question.
    *answers : str
        Labels of the buttons. Enter, Escape and closing the question choose the first.
    """
    box = QMessageBox(QMessageBox.Icon.Question, title, text, QMessageBox.StandardButton.NoButton, parent)
    buttons: list[QPushButton | None] = [box.addButton(answer, QMessageBox.ButtonRole.ActionRole) for answer in answers]
    box.setDefaultButton(buttons[0])
    box.setEscapeButton(buttons[0])
    box.exec()
    clicked = box.clickedButton()
    return next((number for number, button in enumerate(buttons) if button is clicked), 0)


def can_answer(window: QWidget | None) -> bool:
    """Return whether a person sees the window and can answer a question."""
    return window is not None and window.isVisible() and QApplication.platformName() not in _UNSEEN
