"""One module per numbered target of reliability: what is promised, and the measurement that shows it."""
