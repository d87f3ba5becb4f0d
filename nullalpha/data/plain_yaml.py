"""YAML of text, lists and mappings alone, as a person writes settings: no types to guess, no aliases, no tags, no doubled keys, no depth.

Every scalar is text, so that ON, NO, 1e5 and 24/7 are what they look like; whoever reads a field knows what it is.
"""

from __future__ import annotations

from typing import Any

import yaml

from nullalpha.core.errors import SettingsError


def read_plain_yaml(data: bytes, path: str, most_depth: int) -> object:
    """Return the document.

    Args:
        data: of a size that the caller found bearable.
        path: the file's, for messages.
        most_depth: how deep mappings and lists may lie in each other.
    Returns:
        Text, lists and mappings; None for an empty file.
    Raises:
        SettingsError: if it is no such document; the message names the line.
    """
    try:
        loader = _Loader(data.decode())
        loader.most_depth = most_depth
        return loader.get_single_data()
    except UnicodeDecodeError as error:
        raise SettingsError(f"{path} is not UTF-8 text", path=path, value=f"byte {error.start}") from error
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        place = f" in line {mark.line + 1}" if mark else ""
        raise SettingsError(f"{path} is no YAML{place}: {getattr(error, 'problem', None) or error}", path=path) from error


class _Loader(yaml.BaseLoader):
    most_depth = 1
    _depth = 0

    def compose_node(self, parent: yaml.Node | None, index: Any) -> yaml.Node | None:
        event = self.peek_event()  # type: ignore[no-untyped-call]
        if isinstance(event, yaml.AliasEvent) or getattr(event, "anchor", None):
            raise yaml.composer.ComposerError(None, None, "anchors and aliases are not used here", event.start_mark)
        self._depth += 1
        if self._depth > self.most_depth:
            raise yaml.composer.ComposerError(None, None, "nested too deep", event.start_mark)
        node = super().compose_node(parent, index)
        self._depth -= 1
        return node

    def construct_mapping(self, node: Any, deep: bool = False) -> dict[Any, Any]:
        names: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                raise yaml.constructor.ConstructorError(None, None, "a key is a single word", key.start_mark)
            if key.value in names:
                raise yaml.constructor.ConstructorError(None, None, f"{key.value} is there twice", key.start_mark)
            names.add(key.value)
        return super().construct_mapping(node, deep=deep)
