"""What is asked of a person: yes or no, a job to dispatch, and help."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import ClassVar

from rich.text import Text
from textual.app import ComposeResult
from textual.binding import Binding, BindingType
from textual.containers import Horizontal, Vertical
from textual.screen import ModalScreen
from textual.widgets import Button, Input, Static, TextArea

from ..errors import HeroqError
from .text import plain


class Ask(ModalScreen[bool]):
    """y or n; only y does it."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("y", "answer(True)", "yes"),
        Binding("n,escape,q", "answer(False)", "no"),
    ]
    AUTO_FOCUS = ""

    def __init__(self, question: str, means: str) -> None:
        super().__init__()
        self._text = Text.assemble(plain(question, "bold"), "\n\n", plain(means), "\n\n", ("y yes    n no", "bold"))
        self._text.no_wrap = False

    def compose(self) -> ComposeResult:
        with Vertical(classes="box"):
            yield Static(self._text, markup=False)

    def action_answer(self, yes: bool) -> None:
        self.dismiss(yes)


class AskName(ModalScreen[bool]):
    """Only the exact name does it."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape", "leave")]

    def __init__(self, question: str, means: str, name: str) -> None:
        super().__init__()
        self._wanted = name
        self._text = Text.assemble(
            plain(question, "bold"), "\n\n", plain(means), "\n\n", plain(f"Type {name} to do it:")
        )
        self._text.no_wrap = False

    def compose(self) -> ComposeResult:
        with Vertical(classes="box"):
            yield Static(self._text, markup=False)
            yield Input(compact=True, placeholder="its name, or Esc")

    def on_input_submitted(self, event: Input.Submitted) -> None:
        self.dismiss(event.value.strip() == self._wanted)

    def action_leave(self) -> None:
        self.dismiss(False)


class Help(ModalScreen[None]):
    """All keys of the screen below."""

    BINDINGS: ClassVar[list[BindingType]] = [Binding("escape,q,question_mark,enter", "leave", "back")]
    AUTO_FOCUS = ""

    def __init__(self, keys: Sequence[tuple[str, str]]) -> None:
        super().__init__()
        rows = [*keys, *_EVERYWHERE]
        self._text = Text("\n").join(Text.assemble((f"{key:>9}  ", "bold"), means) for key, means in rows)

    def compose(self) -> ComposeResult:
        with Vertical(classes="box"):
            yield Static(self._text, markup=False)

    def action_leave(self) -> None:
        self.dismiss(None)


_EVERYWHERE = (
    ("j k ↓ ↑", "rows; g G the first, the last"),
    ("x A", "mark a row, all rows of the page"),
    ("/", "search: an id or a part of it, a tag; tag:red status:error"),
    ("n", "a new job"),
    ("r", "read now"),
    ("? q", "help, quit"),
)


@dataclass(frozen=True)
class Wanted:
    """What the form says of a new job."""

    script_type: str
    script: str
    group: str | None
    timeout: str | None
    retries: str | None


class Dispatch(ModalScreen[str | None]):
    """A job by hand. `send` stores it and pushes its id onto its queue, on a thread; what it answers is told."""

    BINDINGS: ClassVar[list[BindingType]] = [
        Binding("escape", "leave", "back"),
        Binding("ctrl+s", "send", "store and start", priority=True),
    ]
    AUTO_FOCUS = ""

    def __init__(self, script_type: str, group: str, send: Callable[[Wanted], str]) -> None:
        super().__init__()
        self._given = (script_type, group)
        self._send = send

    def compose(self) -> ComposeResult:
        script_type, group = self._given
        with Vertical(classes="box form"):
            with Horizontal(classes="line"):
                yield Static("type", markup=False)
                yield Input(script_type, id="type", compact=True)
                yield Static("group", markup=False)
                yield Input(group, id="group", compact=True, placeholder="none")
            yield Static("script", markup=False)
            yield TextArea(id="script", compact=True, soft_wrap=False)
            with Horizontal(classes="line"):
                yield Static("timeout", markup=False)
                yield Input(id="timeout", compact=True, placeholder="none, 30s")
                yield Static("retries", markup=False)
                yield Input(id="retries", compact=True, placeholder="the actor's")
            yield Static("", id="why", markup=False)
            with Horizontal(classes="line"):
                yield Button("Store and start  ^S", id="send", compact=True)
                yield Button("Back  Esc", id="leave", compact=True)

    def on_mount(self) -> None:
        self.query_one("#script" if self._given[0] else "#type").focus()

    def on_button_pressed(self, event: Button.Pressed) -> None:
        self.action_send() if event.button.id == "send" else self.action_leave()

    def action_leave(self) -> None:
        self.dismiss(None)

    def action_send(self) -> None:
        values = {field.id: field.value.strip() for field in self.query(Input)}
        script = self.query_one(TextArea).text
        if not values["type"] or not script:
            self._why("a job needs a script type" if script else "a job needs a script")
            return
        rest = {name: values[name] or None for name in ("group", "timeout", "retries")}
        wanted = Wanted(values["type"], script, **rest)
        self._why("")
        self.run_worker(lambda: self._work(wanted), thread=True, exclusive=True)

    def _why(self, text: str) -> None:
        if not self.is_attached:
            return  # the user did not wait for it
        self.query_one("#why", Static).update(plain(text, "bold red"))

    def _work(self, wanted: Wanted) -> None:
        try:
            said = self._send(wanted)
        except HeroqError as error:
            self.app.call_later(self._why, str(error))
        else:
            self.app.call_later(self._sent, said)

    def _sent(self, said: str) -> None:
        if self.is_attached:
            self.dismiss(said)
