"""Reads XSD files into the same facts as tests.exi_facts reads from declarations. For tests; the files are never part of this project."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lxml import etree

XS = "{http://www.w3.org/2001/XMLSchema}"
BOUNDS: dict[str, tuple[int | None, int | None]] = {
    "byte": (-(2**7), 2**7 - 1),
    "short": (-(2**15), 2**15 - 1),
    "int": (-(2**31), 2**31 - 1),
    "long": (-(2**63), 2**63 - 1),
    "unsignedByte": (0, 2**8 - 1),
    "unsignedShort": (0, 2**16 - 1),
    "unsignedInt": (0, 2**32 - 1),
    "unsignedLong": (0, 2**64 - 1),
    "integer": (None, None),
}

Node = Any
Name = tuple[str, str]
"""Namespace and local name."""


def occurs(node: Node) -> tuple[int, int | None]:
    """``minOccurs`` and ``maxOccurs`` of a particle, None for unbounded."""
    most = node.get("maxOccurs", "1")
    return int(node.get("minOccurs", "1")), None if most == "unbounded" else int(most)


def capitalized(name: str) -> str:
    """How an anonymous type is called: by its element, with a capital."""
    return name[0].upper() + name[1:]


class XsdSet:
    """A schema file and all that it imports."""

    def __init__(self, path: Path, search: Path) -> None:
        self.search = search
        self.space = etree.parse(path).getroot().get("targetNamespace")
        self.types: dict[Name, Node] = {}
        self.simple: dict[Name, Node] = {}
        self.elements: dict[Name, Node] = {}
        self._loaded: set[str] = set()
        self._load(path)
        self.members: dict[Name, list[Name]] = {}
        for name, node in self.elements.items():
            head = node.get("substitutionGroup")
            while head:
                self.members.setdefault(self.name(node, head), []).append(name)
                node = self.elements[self.name(node, head)]
                head = node.get("substitutionGroup")

    def _load(self, path: Path) -> None:
        if path.name in self._loaded:
            return
        self._loaded.add(path.name)
        root = etree.parse(path, etree.XMLParser(load_dtd=False, resolve_entities=True)).getroot()
        space = root.get("targetNamespace")
        tables = {"complexType": self.types, "simpleType": self.simple, "element": self.elements}
        for node in root.iterchildren(tag=etree.Element):
            kind = node.tag.removeprefix(XS)
            if kind == "import":
                file = Path(node.get("schemaLocation")).name
                self._load(
                    next(
                        place for place in self.search.rglob(file) if place.parent in (path.parent, path.parent.parent)
                    )
                )
            elif kind in tables:
                tables[kind][space, node.get("name")] = node

    def name(self, node: Node, text: str) -> Name:
        """A QName in the scope of a node."""
        prefix, _, local = text.rpartition(":")
        return node.nsmap.get(prefix or None), local

    # --- names ------------------------------------------------------------------------------------------------------------

    def messages(self) -> list[str]:
        """Local names of the messages: those global elements of the set's own file that are called like one."""
        own = (local for space, local in self.elements if space == self.space)
        return [local for local in own if local.endswith(("Req", "Res", "V2G_Message"))]

    def type_of(self, element: str) -> Any:
        """What the facts say of the type of a global element: a name, simple facts, None where it is never sent."""
        (node,) = (node for (_, local), node in self.elements.items() if local == element)
        return self._element_type(node)

    def globals(self) -> list[str]:
        """Local names of all global elements, in the order of their codes."""
        return [local for local, _ in sorted((local, space) for space, local in self.elements)]

    def _declarations(self) -> Iterator[tuple[Name, Node]]:
        """All elements, global and local."""
        yield from self.elements.items()
        for node in (*self.types.values(), *self.elements.values()):
            root = node.getroottree().getroot()
            space = root.get("targetNamespace") if root.get("elementFormDefault") == "qualified" else ""
            for inner in node.iter(f"{XS}element"):
                if inner.get("name") and inner is not node:
                    yield (space, inner.get("name")), inner

    def element_names(self) -> list[str]:
        """Local names of all elements, one for each namespace."""
        names = {name for name, _ in self._declarations()}
        return [local for local, _ in sorted((local, space) for space, local in names)]

    def ambiguous(self) -> set[str]:
        """Local names of elements that have not the same type wherever their namespace declares them."""
        kinds: dict[Name, set[object]] = {}
        for name, node in self._declarations():
            kind = node.get("type")
            kinds.setdefault(name, set()).add(self.name(node, kind) if kind else node)
        return {local for (_, local), found in kinds.items() if len(found) > 1}

    def attribute_names(self) -> list[Name]:
        """Local name and namespace of all attributes, in the order of their codes."""
        names: set[Name] = set()
        for node in self.types.values():
            root = node.getroottree().getroot()
            space = root.get("targetNamespace") if root.get("attributeFormDefault") == "qualified" else ""
            names.update((attribute.get("name"), space) for attribute in node.iter(f"{XS}attribute"))
        return sorted(names)

    # --- facts ------------------------------------------------------------------------------------------------------------

    def facts(self) -> dict[str, dict[str, Any]]:
        """The facts of every complex type that is not abstract, by its name without ``Type``; anonymous ones by their element's."""
        found: dict[str, dict[str, Any]] = {}
        for (_, local), node in self.types.items():
            if node.get("abstract") != "true":
                name = local.removesuffix("Type")
                assert name not in found, f"two types are called {name}"
                found[name] = self.type_facts(node)
        for (_, local), node in self.elements.items():
            inner = node.find(f"{XS}complexType")
            if inner is not None:
                found[capitalized(local)] = self.type_facts(inner)
        return found

    def type_facts(self, node: Node) -> dict[str, Any]:
        facts: dict[str, Any] = {"attributes": [], "text": None, "content": [], "mixed": node.get("mixed") == "true"}
        self._extend(node, facts)
        facts["attributes"].sort(key=lambda attribute: attribute[0])
        return facts

    def _extend(self, node: Node, facts: dict[str, Any]) -> None:
        extension = node.find(f"{XS}complexContent/{XS}extension")
        simple = node.find(f"{XS}simpleContent/{XS}extension")
        if extension is not None:
            self._extend(self.types[self.name(extension, extension.get("base"))], facts)
            node = extension
        elif simple is not None:
            facts["text"] = self.simple_facts(self.name(simple, simple.get("base")), simple)
            node = simple
        for child in node.iterchildren(tag=etree.Element):
            kind = child.tag.removeprefix(XS)
            if kind == "attribute":
                type_ = self.simple_facts(self.name(child, child.get("type")), child)
                facts["attributes"].append([child.get("name"), child.get("use") == "required", type_])
            elif kind in ("sequence", "choice"):
                facts["content"].extend(self._model(child))

    def _model(self, node: Node) -> list[Any]:
        """The parts that a sequence, a choice or a single particle contributes."""
        kind = node.tag.removeprefix(XS)
        if kind not in ("sequence", "choice"):
            return [self._particle(node)]
        parts = [part for child in node.iterchildren(tag=etree.Element) for part in self._model(child)]
        fewest, most = occurs(node)
        if kind == "sequence" and (fewest, most) == (1, 1):
            return parts
        if kind == "choice" and most == 1 and all(part[:2] == [1, 1] for part in parts):
            return [[fewest, 1, [branch for _, _, branches in parts for branch in branches]]]
        if kind == "choice" and (fewest, most) == (0, None):
            # Its branches in any number, a wildcard last.
            return sorted(([0, None, branches] for _, _, branches in parts), key=lambda part: part[2][0][0] == "*")
        # No declaration can say this, so none is ever equal to it.
        return [[fewest, most, [[f"({kind})", None]]]]

    def _particle(self, node: Node) -> list[Any]:
        fewest, most = occurs(node)
        if node.tag == f"{XS}any":
            return [fewest, most, [["*", None]]]
        reference = node.get("ref")
        if reference is None:
            return [fewest, most, [[node.get("name"), self._element_type(node)]]]
        name = self.name(node, reference)
        group = {
            local: self._element_type(self.elements[space, local])
            for space, local in [name, *self.members.get(name, [])]
        }
        return [fewest, most, [list(item) for item in sorted(group.items())]]

    def _element_type(self, node: Node) -> Any:
        """The name of a complex type, the facts of a simple one; None for an element that is never sent, because it or its type is abstract."""
        if node.get("abstract") == "true":
            return None
        if node.get("type") is None:
            simple = node.find(f"{XS}simpleType")
            return self._restriction(simple) if simple is not None else capitalized(node.get("name"))
        name = self.name(node, node.get("type"))
        if name not in self.types:
            return self.simple_facts(name, node)
        return None if self.types[name].get("abstract") == "true" else name[1].removesuffix("Type")

    def simple_facts(self, name: Name, node: Node) -> Any:
        """Base type and facets of a simple type."""
        if name in self.simple:
            return self._restriction(self.simple[name])
        local = name[1]
        if local == "boolean":
            return ["boolean"]
        return [local, *BOUNDS.get(local, (0, None))]

    def _restriction(self, node: Node) -> Any:
        restriction = node.find(f"{XS}restriction")
        base = self.simple_facts(self.name(restriction, restriction.get("base")), restriction)
        values = [facet.get("value") for facet in restriction.iterchildren(f"{XS}enumeration")]
        if values:
            return ["enumeration", *values]
        places = {"minInclusive": [1], "minLength": [1], "maxInclusive": [2], "maxLength": [2], "length": [1, 2]}
        for facet in restriction.iterchildren(tag=etree.Element):
            for place in places.get(facet.tag.removeprefix(XS), []):
                base[place] = int(facet.get("value"))
        return base
