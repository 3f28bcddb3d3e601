"""Physical concepts, one a file: permanence, interpenetration, gravity."""
