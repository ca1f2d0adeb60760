"""The charger side of ISO 15118 Plug & Charge."""


def __getattr__(name: str) -> str:
    """``secc.__version__``, looked up on first use: in a checkout it costs a call of git."""
    if name == "__version__":
        from secc.version import version

        return version()
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
