"""Code of deployments on this machine: fetched once, verified, unpacked where nothing can leave, kept in bounds."""
