# SPDX-License-Identifier: MIT
"""An application that outlives its own mistakes.

Textual ends an application on whose handlers an exception escapes, and prints it over the terminal;
a widget whose handler failed takes no more messages. Here an error is shown on the screen, kept in
the log of errors, and the next key or reading comes.
"""

from __future__ import annotations

from typing import Any

from rich.text import Text
from textual.app import App
from textual.message import Message
from textual.message_pump import MessagePump

from trafficmon.host.error_log import ErrorLog
from trafficmon.render.safe import escape_controls


class ContainedApp(App[None]):
    """Tells of an error, and goes on."""

    def __init__(self) -> None:
        super().__init__()
        self._errors = ErrorLog()

    def fault(self, error: Exception, doing: str) -> str:
        """Keep ``error`` and say so above the screen; returns what was said."""
        summary = escape_controls(self._errors.note(error, doing))
        self.notify(summary, severity="error", markup=False, timeout=10)
        return summary

    async def run_action(self, *args: Any, **named: Any) -> bool:
        """All keys that are bound come through here, those of widgets too."""
        try:
            return await super().run_action(*args, **named)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next key works
            self.fault(error, f"doing {args[0] if args else 'what the key asks for'}")
            return True

    async def _dispatch_message(self, message: Message) -> None:
        try:
            await super()._dispatch_message(message)
        except Exception as error:  # noqa: BLE001 - whatever it is, the next message is taken
            self.fault(error, f"handling {type(message).__name__}")

    def _handle_exception(self, error: Exception) -> None:
        """What came from elsewhere: the end, with a line instead of a traceback."""
        if self.is_headless:  # tests are to see it
            super()._handle_exception(error)
            return
        self._return_code = 1
        summary = self._errors.note(error, "drawing the screen")
        self.panic(Text(f"trafficmon: {escape_controls(summary)}"))


class Contained(MessagePump):
    """A screen or widget of ours, whose handlers' errors the application shows."""

    async def _dispatch_message(self, message: Message) -> None:
        try:
            await super()._dispatch_message(message)
        except Exception as error:
            app = self.app
            if not isinstance(app, ContainedApp):
                raise
            app.fault(error, f"handling {type(message).__name__}")
