"""Lower bounds: two cuts by enumeration, closed forms, accuracy ceilings, executable protocols."""
