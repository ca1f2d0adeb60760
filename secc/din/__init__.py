"""DIN SPEC 70121:2014, the charger's side. Deleting this folder leaves the other protocols working."""
