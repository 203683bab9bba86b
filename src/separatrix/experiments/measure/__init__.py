"""What trained models hold: bits recalled, rate–accuracy curves, attention compared."""
