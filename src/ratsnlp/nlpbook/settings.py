"""How settings are declared, checked, and read from files, flags or cells. What they are is in `arguments.py`.

A settings class is a keyword-only dataclass. A field's type says what it holds, `Annotated` says its range, and `arg`
gives the default with one line of help, from which the command's `--help` and the README's table are made. It is not
pydantic: the core install stays small, a setting stays one line, and one message lists all problems in our own words.
"""

import dataclasses
import difflib
import json
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal, Self, TypeVar, get_args, get_origin, get_type_hints

import click
import yaml

from ratsnlp.nlpbook.environment import in_notebook
from ratsnlp.nlpbook.errors import ArgumentError, PositionError
from ratsnlp.nlpbook.old_names import SETTINGS
from ratsnlp.nlpbook.texts import plain

ArgumentsT = TypeVar("ArgumentsT", bound="Arguments")


@dataclass(frozen=True)
class Range:
    """Numbers from `low` to `high`, both included unless `open_low` or `open_high`."""

    low: float
    high: float | None = None
    open_low: bool = False
    open_high: bool = False

    def __contains__(self, number: float) -> bool:
        above = number > self.low if self.open_low else number >= self.low  # not-a-number never is
        return above and (self.high is None or (number < self.high if self.open_high else number <= self.high))

    def __str__(self) -> str:
        below = "" if self.high is None else f" and {'<' if self.open_high else '<='} {self.high}"
        return f"{'>' if self.open_low else '>='} {self.low}{below}"


def arg(
    default: Any,
    help: str,
    *,
    shown: str | None = None,
    local: bool = False,
    effect: bool | None = None,
    file: bool = False,
    column: bool = False,
    answering: bool = False,
) -> Any:
    """Declare one setting, and all that the rest of the library has to know of it.

    Args:
        default: Its default.
        help: One line of help.
        shown: How to show a default that differs between machines.
        local: It belongs to one machine, not to the model: model cards leave it out.
        effect: Whether it changes what a training results in, by default unless `local`; others may differ when one is
            resumed.
        file: It names a file of the user's. The same content under another path is the same file.
        column: It names a column of an own table, or how the table's rows are read.
        answering: It also shapes the answers of the trained model, so predictors and deploy settings take it over.
    """
    effect = not local if effect is None else effect
    traits = {"local": local, "effect": effect, "file": file, "column": column, "answering": answering}
    return field(default=default, metadata={"help": help, "shown": shown, **traits})


def names_where(arguments_class: Any, **traits: bool) -> tuple[str, ...]:
    """Return the settings with these traits, in order: `names_where(TrainArguments, column=True)`. See `arg`."""
    return tuple(defaults_of(arguments_class, **traits))


def defaults_of(arguments_class: Any, **traits: bool) -> dict[str, Any]:
    """Return the defaults of the settings with these traits. See `names_where`."""
    known = settings_of(arguments_class).values()
    chosen = [each for each in known if all(each.trait(name) is wanted for name, wanted in traits.items())]
    return {each.name: each.field.default for each in chosen}


@dataclass(frozen=True)
class Setting:
    """One declared setting, its type unfolded: what a reader, a flag or a table needs to know of it."""

    name: str
    kind: type
    default: str
    help: str
    optional: bool
    range: Range | None
    choices: tuple[str, ...]
    field: "dataclasses.Field[Any]"

    def trait(self, name: str) -> bool:
        """Return one of the traits that `arg` declares."""
        return bool(self.field.metadata.get(name, name == "effect"))

    def describe(self) -> str:
        """Return what the setting accepts, for an error message."""
        if self.choices:
            return f"must be one of {', '.join(self.choices)}"
        words = {int: "a whole number", float: "a number", bool: "true or false", str: "text"}[self.kind]
        return f"must be {words}{f' {self.range}' if self.range else ''}{' or null' if self.optional else ''}"

    def accepts(self, value: Any) -> bool:
        """Return whether `value` has the setting's type and lies in its range."""
        if value is None:
            return self.optional
        if isinstance(value, bool) != (self.kind is bool):  # Python counts True among the whole numbers
            return False
        typed = isinstance(value, int | float if self.kind is float else self.kind)
        return typed and (self.range is None or value in self.range) and (not self.choices or value in self.choices)

    def parse(self, value: Any) -> Any:
        """Turn text from a flag or a YAML file (which reads 1e-4 as text) into the setting's type, if it can be."""
        if self.choices and isinstance(value, int | float):
            return str(value)
        if not isinstance(value, str) or (self.kind is str and not self.optional):
            return value
        if self.optional and value.lower() in ("none", "null", ""):
            return None
        if self.kind is bool:
            words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
            return words.get(value.lower(), value)
        with suppress(ValueError):
            return self.kind(value)
        return value  # `accepts` refuses it, and the message shows what was given


def settings_of(arguments_class: Any) -> dict[str, Setting]:
    """Return the settings of a class by name, in the order in which they are declared."""
    hints = get_type_hints(arguments_class, include_extras=True)
    found = {}
    for declared in fields(arguments_class):
        kind, optional, limits, choices = hints[declared.name], False, None, ()
        while get_origin(kind):  # Annotated[int, Range] | None, in any order
            if get_origin(kind) is Annotated:
                kind, limits = get_args(kind)
            elif get_origin(kind) is Literal:
                kind, choices = str, get_args(kind)
            else:
                (kind,), optional = set(get_args(kind)) - {type(None)}, True
        default = declared.metadata.get("shown") or str(declared.default)
        text = declared.metadata.get("help", "")
        found[declared.name] = Setting(declared.name, kind, default, text, optional, limits, choices, declared)
    return found


@dataclass(kw_only=True)
class Arguments:
    """Base of all settings. They are checked as a whole when made: one `ArgumentError` names all that is wrong."""

    def __new__(cls, *given: Any, **named: Any) -> Self:
        """Refuse settings by position (their order was another one in each task) and ones of 1.x; say what to write."""
        if given:
            names = ", ".join(f"{setting.name}=..." for setting in fields(cls)[:3])
            raise PositionError(f"settings of {cls.__name__} are given by name: {cls.__name__}({names})")
        cls.raise_for([f"{name} is gone: {SETTINGS[name]}" for name in named if name in SETTINGS])
        return super().__new__(cls)

    def __post_init__(self) -> None:
        wrong = []
        for name, setting in settings_of(type(self)).items():
            value = setting.parse(plain(getattr(self, name)))
            setattr(self, name, value)
            if not setting.accepts(value):
                wrong.append(f"{name} {setting.describe()}, got {value!r}")
        self.raise_for([*wrong, *self.problems()])

    def problems(self) -> list[str]:
        """Return one line for each rule between settings that is broken. Any of them may be of a wrong type here."""
        return []

    @classmethod
    def raise_for(cls, problems: Sequence[str]) -> None:
        """Raise one `ArgumentError` that lists `problems`, if there are any."""
        if problems:
            lines = "".join(f"\n  - {problem}" for problem in problems)
            raise ArgumentError(f"{cls.__name__} cannot be used as given:{lines}")

    @classmethod
    def from_mapping(cls, values: Mapping[str, Any], source: str) -> Self:
        """Make settings from `values` by name; an ArgumentError lists unknown names, or values that cannot be used."""
        known = settings_of(cls)
        problems = []
        for name in (name for name in values if name not in known):
            if name in SETTINGS:
                problems.append(f"{name} (in {source}) is gone: {SETTINGS[name]}")
                continue
            near = difflib.get_close_matches(name, known, n=1)
            problems.append(f"{name} (in {source}) is not a setting" + (f"; did you mean {near[0]}?" if near else ""))
        cls.raise_for(problems)
        return cls(**values)

    def to_dict(self) -> dict[str, Any]:
        """Return the settings as plain values by name: what checkpoints and records store."""
        return dataclasses.asdict(self)


def _read_settings_file(path: str | Path) -> dict[str, Any]:
    path = Path(path)
    try:
        text = path.read_text(encoding="utf-8-sig")
        values = json.loads(text) if path.suffix == ".json" else yaml.safe_load(text)
    except FileNotFoundError:
        raise ArgumentError(f"the settings file {path} does not exist; give a JSON or YAML file of settings") from None
    except (json.JSONDecodeError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise ArgumentError(f"the settings file {path} cannot be read: {error}") from None
    if not isinstance(values, dict):
        raise ArgumentError(f"the settings file {path} must hold names with values, found {type(values).__name__}")
    return values


def build_options(arguments_class: type[Arguments]) -> list[click.Parameter]:
    """Return one command-line option for each setting. Values stay text: `Arguments` parses and checks them."""
    return [
        click.Option(
            [f"--{setting.name}"],
            help=setting.help + ("" if setting.default == "None" else f"  [default: {setting.default}]"),
            metavar="|".join(setting.choices) or setting.kind.__name__.upper(),
            # `--test_mode` alone means true, `--test_mode false` is understood too
            is_flag=False,
            flag_value="true" if setting.kind is bool else None,
        )
        for setting in settings_of(arguments_class).values()
    ]


def load_arguments(argument_class: type[ArgumentsT], json_file_path: str | Path | None = None) -> ArgumentsT:
    """Make settings from a file, from the script's flags, or, in a notebook, from the defaults.

    `json_file_path` names a JSON or YAML file. Without one, a script's own command line is read, as by `parse_flags`; a
    notebook's belongs to the notebook program and is never looked at. An ArgumentError names what cannot be used.
    """
    if json_file_path is not None:
        return argument_class.from_mapping(_read_settings_file(json_file_path), str(json_file_path))
    return parse_flags(argument_class, [] if in_notebook() else sys.argv[1:])


def parse_flags(argument_class: type[ArgumentsT], flags: Sequence[str]) -> ArgumentsT:
    """Make settings from `[CONFIG] [--setting value ...]`, flags before the file; an ArgumentError names a bad one."""
    command = click.Command(
        Path(sys.argv[0]).name, params=[click.Argument(["config"], required=False), *build_options(argument_class)]
    )
    try:
        given = command.make_context(command.name, list(flags)).params
    except click.exceptions.Exit:  # --help was printed
        raise SystemExit(0) from None
    except click.UsageError as error:
        gone = SETTINGS.get(getattr(error, "option_name", "").lstrip("-"))
        raise ArgumentError(f"{error.format_message()} {f'It is gone: {gone}' if gone else 'Try --help.'}") from None
    return merge_settings(argument_class, given.pop("config"), given)


def merge_settings(
    argument_class: type[ArgumentsT], config: str | None, flags: Mapping[str, Any], **defaults: Any
) -> ArgumentsT:
    """Make settings from a file and from flags; what a flag gives wins over the file, the file over `defaults`."""
    from_file = _read_settings_file(config) if config else {}
    from_flags = {name: value for name, value in flags.items() if value is not None}
    return argument_class.from_mapping(defaults | from_file | from_flags, config or "the flags")
