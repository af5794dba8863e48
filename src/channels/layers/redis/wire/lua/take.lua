-- Take frames from the first queue that holds any.
--
-- KEYS queues, in order, then, if the taker keeps one, the list of what it has in hand.  ARGV how
-- many bytes may come (one frame comes in any case), the number of this take, how long the
-- list lives (ms), then for each queue how many frames.  Returns the queue and its frames, or
-- nil.
--
-- The list holds the number, the queue and the frames of the last take; one that says "gone"
-- belongs to a taker whose death was seen: this call was on its way then, and takes nothing.
--
-- What may be large is looked at a few frames at a time, so that no more than these are copied
-- for nothing.

local limit, step = tonumber(ARGV[1]), 16
local queues = #ARGV - 3
local hand = KEYS[queues + 1]
if hand then
  if redis.call('LINDEX', hand, 0) == 'gone' then return false end
  redis.call('DEL', hand)
end
local function took(i, found)
  if hand then
    redis.call('RPUSH', hand, ARGV[2], KEYS[i], unpack(found))
    redis.call('PEXPIRE', hand, ARGV[3])
  end
  return {KEYS[i], found}
end
for i = 1, queues do
  local queue, most = KEYS[i], tonumber(ARGV[3 + i])
  if most == 1 then
    local raw = redis.call('LPOP', queue)
    if raw then return took(i, {raw}) end
  else
    local found, size = {}, 0
    while #found < most do
      local at = #found
      local more = redis.call('LRANGE', queue, at, math.min(at + step, most) - 1)
      for _, raw in ipairs(more) do
        size = size + #raw
        if size > limit and #found > 0 then break end
        found[#found + 1] = raw
      end
      if #found < at + step then break end
    end
    if found[1] then
      redis.call('LTRIM', queue, #found, -1)
      return took(i, found)
    end
  end
end
return false
