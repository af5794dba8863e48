-- Count a change of a process's memberships, and tell the process of it.
--
-- After clock and keep.

local function change(mail, meta, ttl, item)
  local number = redis.call('HINCRBY', meta, 'number', 1)
  local h = redis.call('HMGET', meta, 'pm', 'pb')
  local stamp = struct.pack('>I8I8I8I8',
    now + ttl, tonumber(h[1] or 0), tonumber(h[2] or 0), number)
  local was_empty = redis.call('RPUSH', mail, stamp .. item) == 1
  keep(mail, was_empty, ttl)
  redis.call('PEXPIRE', meta, ttl)
  return number
end
