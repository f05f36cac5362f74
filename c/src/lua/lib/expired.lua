-- expired: whether the time of `expires`, hq_expires as stored, is over. Needs num.
local expired = false
if expires then
  -- @include now
  expired = num(expires) > 0 and num(expires) <= now
end
