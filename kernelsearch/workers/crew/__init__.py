"""One search, judged in many places at once: on the GPUs of this machine, or on those of a Ray cluster.

    site      what the search sees: a `Site` like any other
    foreman   one thread that hands requests out and takes answers in
    dispatch  who does what and which answer counts: pure, so that a simulated cluster can try it
    seat      a process with one lab, that judges what it is sent
    here      seats on this machine
    on_ray    seats on a cluster

A kernel is always timed in pairs with the baseline, and before it counts as the best with the best so far, by one lab on one GPU. What is
compared between two GPUs are therefore ratios of which each was taken on one of them, never the times themselves.
"""
