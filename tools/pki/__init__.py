"""The lab PKI: certificates with which a station and a car trust each other on a bench, and flawed chains by name.

``secc pki make DIR`` and :func:`make_lab_pki` write it; :class:`Mint` makes single certificates in
memory for tests. It is not fit for the field: the keys of the authorities are stored beside their
certificates.
"""
