-- Keep a list at least as long as what was pushed onto it.  PEXPIRE ... GT leaves a key
-- alone that has no TTL, so a list that was empty gets a plain one.

local function keep(key, was_empty, ttl)
  if was_empty then redis.call('PEXPIRE', key, ttl)
  else redis.call('PEXPIRE', key, ttl, 'GT') end
end
