"""The lab PKI: everything that a station and a car need to trust each other on a bench, and flawed chains by name.

``secc pki make DIR`` writes it; :func:`make_lab_pki` does the same for programs; :class:`Mint` makes single certificates in
memory for tests. Nothing made here is fit for the field: the authorities' keys lie beside their certificates.
"""
