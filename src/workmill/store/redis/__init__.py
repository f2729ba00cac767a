"""The distributed store: one logical Redis, any number of endpoints.

store       the facade: groups, one method a verb       library       loads the Lua functions
session     groups of calls              caller      whose store it is
records     jobs, words and answers as bytes            backup        the verbs backup and restore
functions/  one Lua library in parts: keys documents every key, records the bytes of a job,
            session what every verb begins and ends with; then one file for each group of verbs

opening     from an address to a store
port        Link, the seam to the network
link        the link: calls, and when they are safe     judgement     is a change acknowledged?
servers     finding the primary                         sentinel      what the Sentinels say
connection  one conversation with one server            replies       ROLE and INFO as values
durability  what a server must be set to  inspection  a look at that while it is open
survey      a look at an address before it is opened
refusals    what follows from each error                outage        when to try again
addresses   what a person writes                        resubmission  what a failover lost
"""

from workmill.store.redis.store import RedisStore

__all__ = ["RedisStore"]
