"""What is wrong with an installation: `examination` asks and puts together, each of the others judges one thing.

`server` Redis itself · `fleet` scheduler and agents · `waiting` queues, limits and deployments · `records` what stands
in Redis, and what had to be repaired · `machine` the disk of this machine · `values` what is answered.
"""
