"""A store of three Redis hosts, each with a data server and a Sentinel.

    plan          the set as data                          pure
    users         who may do what                          pure
    rendering     every file of a host, from templates/    pure
    judging       may it start, be promoted, whom does it follow   pure, the theory of the guard
    certificates  a private authority, by openssl
    preparing     writes the files of a set into one directory
    server        one data server, looked at and told over one connection
    asking        questions to Sentinels and servers
    starting      waits for the verdict and becomes the server
    watching      keeps its priority and its role afterwards

`deploy/redis/`, the local set of hosts and the tests are all made from these.
"""

from workmill.redis_hosts.plan import Host, Passwords, Plan

__all__ = ["Host", "Passwords", "Plan"]
