"""What a resection does to the blood supply of what stays: inflow, outflow, vessels crossed. A model."""
