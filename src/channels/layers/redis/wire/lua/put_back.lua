-- Put stored frames back, past the capacity, with the expiry that they carry.  After clock and
-- keep.

local function put_back(queue, place, frames, from)
  local length = redis.call('LLEN', queue)
  local last = now
  local first, stop, step, push = from, #frames, 1, 'RPUSH'
  if place == 'head' then first, stop, step, push = #frames, from, -1, 'LPUSH' end
  for i = first, stop, step do
    redis.call(push, queue, frames[i])
    last = math.max(last, (struct.unpack('>I8', frames[i])))
  end
  if #frames >= from then keep(queue, length == 0, last - now + GRACE_MS) end
  return length + #frames - from + 1
end
