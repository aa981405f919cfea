"""Replaceable parts by name: our own, those of installed packages, and any class that a user names.

A part is given in one of three ways. An object is used as it is. A name stands for one of ours, or for an entry point of an
installed package. "module:Class" stands for a class, or an object, in a module that Python can import.

A name that came in a message, or was typed on a page, may only be *found*: that imports nothing but what somebody has installed
here to be found. What a person types on the own command line, or writes in Python, may be *loaded*.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Generic, TypeVar, cast

from proxyset.errors import InvalidInput

Part = TypeVar("Part")
_PATH = re.compile(r"[A-Za-z_]\w*(\.\w+)*:[A-Za-z_]\w*")


@dataclass(frozen=True)
class Registry(Generic[Part]):
    """The parts of one kind.

    Attributes:
        what: what a part is called in messages, such as "strategy".
        group: the entry points of other packages that offer more, such as "proxyset.strategies".
        members: attributes that every part has.
        own: the parts that come with proxyset.
        known: names that are taken besides, by parts that are made in another way.
    """

    what: str
    group: str
    members: tuple[str, ...]
    own: Mapping[str, Part]
    known: tuple[str, ...] = ()

    def names(self) -> list[str]:
        """Our own parts and those of installed packages, sorted."""
        return sorted({*self.own, *self.known, *(offer.name for offer in self._offered())})

    def _offered(self) -> tuple[EntryPoint, ...]:
        return _offers(self.group, tuple(sys.path))

    def find(self, name: str, *arguments: str) -> Part:
        """The part of that name: ours, or the one that an installed package offers.

        Raises:
            InvalidInput: there is none, two offer it, or what is offered is no such part.
        """
        if name not in self.names():
            _offers.cache_clear()  # it may have been installed since
        found = {offer.value: offer for offer in self._offered() if offer.name == name}
        offers = list(found)
        if name in self.own and not offers:
            return self.own[name]
        if not offers:
            raise InvalidInput(f"unknown {self.what} {name!r}: choose one of {', '.join(self.names())}")
        taken = name in self.own or name in self.known
        if taken or len(offers) > 1:
            also = ["proxyset"] if taken else []
            raise InvalidInput(
                f"the {self.what} {name!r} is offered by {' and by '.join([*also, *offers])}: uninstall all but one, or name "
                "the one that you mean as module:Class"
            )
        return self._made(f"{name!r} of {offers[0]}", _loaded(found[offers[0]]), arguments)

    def load(self, part: Part | str, *arguments: str) -> Part:
        """A part that was given as an object, by its name, or as "module:Class".

        A class is called with the arguments, which most kinds of parts do not have.

        Raises:
            InvalidInput: there is none, or it is no such part.
        """
        if not isinstance(part, str):
            return self._made(repr(part), part, arguments)
        if ":" not in part:
            return self.find(part, *arguments)
        if not _PATH.fullmatch(part):
            raise InvalidInput(
                f"unknown {self.what} {part!r}: choose one of {', '.join(self.names())}, or name a class as package.module:Class"
            )
        return self._made(repr(part), _loaded(EntryPoint(part, part, self.group)), arguments)

    def _made(self, name: str, found: Any, arguments: tuple[str, ...]) -> Part:
        if isinstance(found, type):
            try:
                found = found(*arguments)
            except TypeError as error:
                given = f"with {', '.join(map(repr, arguments))}" if arguments else "without arguments"
                raise InvalidInput(f"the {self.what} {name} cannot be made {given}: {error}") from None
        if missing := [member for member in self.members if not hasattr(found, member)]:
            raise InvalidInput(
                f"{name} is no {self.what}: it has no {', no '.join(missing)} (a {self.what} has "
                f"{', '.join(self.members)})"
            )
        return cast(Part, found)


@cache
def _offers(group: str, path: tuple[str, ...]) -> tuple[EntryPoint, ...]:
    """What packages on `path` (that is sys.path) offer. Reading the metadata of all of them takes a good part of a second."""
    return tuple(entry_points(group=group))


def _loaded(offer: EntryPoint) -> Any:
    try:
        module = import_module(offer.module)
    except ModuleNotFoundError as error:
        raise InvalidInput(
            f"{offer.value!r} cannot be imported ({error}): install its package, or put its folder on PYTHONPATH"
        ) from None
    if not hasattr(module, offer.attr):
        raise InvalidInput(f"the module {offer.module} has no {offer.attr}, which {offer.value!r} names")
    return getattr(module, offer.attr)
