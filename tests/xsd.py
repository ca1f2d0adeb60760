"""Reads XSD files into the same facts as tests.exi_facts reads from declarations. For tests; the files are never part of this project."""

from __future__ import annotations

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


class XsdSet:
    """A schema file and all that it imports."""

    def __init__(self, path: Path, search: Path) -> None:
        self.search = search
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

    def globals(self) -> list[str]:
        """Local names of all global elements, in the order of their codes."""
        return [local for local, _ in sorted((local, space) for space, local in self.elements)]

    def element_names(self) -> list[str]:
        """Local names of all elements, one for each namespace."""
        names = set(self.elements)
        for node in (*self.types.values(), *self.elements.values()):
            root = node.getroottree().getroot()
            space = root.get("targetNamespace") if root.get("elementFormDefault") == "qualified" else ""
            names.update(
                (space, inner.get("name"))
                for inner in node.iter(f"{XS}element")
                if inner.get("name") and inner is not node
            )
        return [local for local, _ in sorted((local, space) for space, local in names)]

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
        found = {}
        for (_, local), node in self.types.items():
            if node.get("abstract") != "true":
                found[local.removesuffix("Type")] = self.type_facts(node)
        for (_, local), node in self.elements.items():
            inner = node.find(f"{XS}complexType")
            if inner is not None:
                found[local[0].upper() + local[1:]] = self.type_facts(inner)
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
            elif kind == "sequence":
                for particle in child.iterchildren(tag=etree.Element):
                    facts["content"].append(self._particle(particle))
            elif kind == "choice":
                facts["content"].extend(self._choice(child))

    def _choice(self, node: Node) -> list[Any]:
        particles = [self._particle(child) for child in node.iterchildren(tag=etree.Element)]
        if node.get("maxOccurs", "1") == "1":
            return [[int(node.get("minOccurs", "1")), 1, [branch for particle in particles for branch in particle[2]]]]
        # A repeating choice: its branches in any number, a wildcard last.
        return sorted(([0, None, particle[2]] for particle in particles), key=lambda particle: particle[2][0][0] == "*")

    def _particle(self, node: Node) -> list[Any]:
        most = node.get("maxOccurs", "1")
        occurs = [int(node.get("minOccurs", "1")), None if most == "unbounded" else int(most)]
        kind = node.tag.removeprefix(XS)
        if kind == "any":
            return [*occurs, [["*", None]]]
        if kind != "element":  # only within types that are not declared
            return [*occurs, [[f"({kind})", None]]]
        reference = node.get("ref")
        if reference is None:
            return [*occurs, [[node.get("name"), self._element_type(node)]]]
        name = self.name(node, reference)
        group = {
            local: self._element_type(self.elements[space, local])
            for space, local in [name, *self.members.get(name, [])]
        }
        return [*occurs, [list(item) for item in sorted(group.items())]]

    def _element_type(self, node: Node) -> Any:
        if node.get("abstract") == "true":
            return None
        if node.get("type") is None:
            simple = node.find(f"{XS}simpleType")
            return self._restriction(simple) if simple is not None else node.get("name")
        name = self.name(node, node.get("type"))
        return name[1].removesuffix("Type") if name in self.types else self.simple_facts(name, node)

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
