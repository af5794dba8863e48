-- Read all memberships of a process, with the number that they stand for.
--
-- KEYS meta, groups, what the keys of members start with.  Returns [number, group,
-- [local, expiry_ms, ...], group, [...] ...].

local result = {tonumber(redis.call('HGET', KEYS[1], 'number') or 0)}
for _, group in ipairs(redis.call('SMEMBERS', KEYS[2])) do
  result[#result + 1] = group
  result[#result + 1] = redis.call('ZRANGE', KEYS[3] .. group, 0, -1, 'WITHSCORES')
end
return result
