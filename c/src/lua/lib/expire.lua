-- The hash ends `life` ms from now, where that is a whole number. Either way it is a write that passes at maxmemory, and
-- so does the rest of the script then.
if life and #life < 16 and string.find(life, '^[1-9]%d*$') then
  call('PEXPIRE', KEYS[1], life)
else
  call('HDEL', KEYS[1], 'hq_')
end
