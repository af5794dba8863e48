-- Find which frames still wait in a queue.
--
-- KEYS queue.  ARGV receipts.  Returns those that are still on a frame there.

local wanted, found = {}, {}
for _, receipt in ipairs(ARGV) do wanted[receipt] = true end
for _, raw in ipairs(redis.call('LRANGE', KEYS[1], 0, -1)) do
  local mailbox = string.byte(raw, 14) or 0
  local receipt = string.sub(raw, 14, 14 + mailbox + 8)
  if mailbox > 0 and wanted[receipt] then found[#found + 1] = receipt end
end
return found
