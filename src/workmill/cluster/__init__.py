"""`workmill cluster`: the whole service on one machine, nothing in it single but the machine.

    plan       ports, directories, addresses and commands, from the settings     pure
    ports      which ports are free
    programs   what must be installed
    store      the three hosts' files and founding, and when they are in step
    balancer   when HAProxy answers
    stages     what is started and waited for, and who orders it about
    rolling    every process replaced while the whole serves
    restarting how that is asked for
    running    from the settings to the drain

The store is what `redis_hosts` makes for three machines, on three addresses of loopback.
"""
