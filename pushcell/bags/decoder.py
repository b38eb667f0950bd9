"""A bag's messages as objects; unknown types are read by the definitions that the bag has."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from rosbags.typesys import (
    Stores,
    TypesysError,
    get_types_from_idl,
    get_types_from_msg,
    get_typestore,
)
from rosbags.typesys.store import Typestore

from pushcell.bags.bag import BagTopic, Bytes
from pushcell.bags.messages import from_cdr, is_standard

_IDL_RULE = "=" * 80 + "\n"


class Decoder:
    """Of one bag."""

    def __init__(self, topics: Mapping[str, BagTopic]) -> None:
        self._types = {name: topic.message_type for name, topic in topics.items()}
        foreign = {t.message_type: t for t in topics.values() if t.definition}
        foreign = {name: topic for name, topic in foreign.items() if not is_standard(name)}
        self._own: Typestore | None = get_typestore(Stores.ROS2_JAZZY) if foreign else None
        self.unreadable: dict[str, str] = {}
        for topic in foreign.values():
            self._learn(topic)

    def knows(self, topic: str) -> bool:
        """Whether the topic's messages can be read."""
        kind = self._types[topic]
        return is_standard(kind) or (self._own is not None and kind in self._own.fielddefs)

    def type_of(self, topic: str) -> str:
        """Its message type."""
        return self._types[topic]

    def decode(self, topic: str, cdr: Bytes) -> Any:
        """The message, its fields as attributes; ValueError for bytes that are none."""
        kind = self._types[topic]
        try:
            if is_standard(kind) or self._own is None:
                return from_cdr(cdr, kind)
            return self._own.deserialize_cdr(cdr, kind)
        except Exception as error:  # noqa: BLE001 - the generated readers raise whatever they meet
            raise ValueError(f"messages that are no {kind}: {type(error).__name__}") from None

    def _learn(self, topic: BagTopic) -> None:
        assert self._own is not None
        name, text = topic.message_type, topic.definition
        try:
            types: dict[str, Any] = {}
            if topic.language == "idl":
                for part in _idl_parts(text):
                    types |= get_types_from_idl(part)
            else:
                types = get_types_from_msg(text, name)
            known = self._own.fielddefs
            self._own.register({key: value for key, value in types.items() if key not in known})
        except TypesysError as error:
            self.unreadable[name] = f"its definition is malformed ({str(error).splitlines()[0]})"


def _idl_parts(text: str) -> list[str]:
    """The IDL files that rosbag2 joins into one definition, each under a line that names it.

    `rosbags` does not parse ``#include``; what is included is a part of its own.
    """
    text = re.sub(r"^\s*#.*$", "", text, flags=re.MULTILINE)
    if not text.startswith(_IDL_RULE):
        return [text]
    return [part.partition("\n")[2] for part in text.split(_IDL_RULE)[1:]]
