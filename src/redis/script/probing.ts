/** Gives the right to probe, and takes in what a probe came to. A lease that has run out is a failed probe. */
export const PROBING = `
-- The tokens of probes that are lost, of this round and of those before it that were lost as a whole.
local function lose(tokens)
  for _, token in ipairs(tokens) do c.lost = c.lost .. token .. ';' end
  c.lost = string.sub(c.lost, -LONGEST_LOST)
end

if op == 'acquire' then
  local token, leaseMs, permits, waitedMs, allowed = ARGV[10], arg(2), arg(3), arg(4), arg(5)
  if isForgotten then c.state, c.till, isClockBack = 'open', now, false end
  if c.state == 'closed' then return answer(0, 0, 0) end
  local before = c.generation
  local expired = c.state == 'half-open' and redis.call('ZRANGEBYSCORE', P, '-inf', int(now), 'WITHSCORES') or {}
  local hasLost = #expired > 0
  if hasLost then
    local failed = #expired / 2
    lose(redis.call('ZRANGE', P, 0, -1))
    redis.call('ZREMRANGEBYSCORE', P, '-inf', int(now))
    if c.failures + failed > allowed then
      local last = math.max(1, math.min(failed, allowed - c.failures + 1))
      open(arg(6), arg(7), PROBE_LOST, nil, number(expired[2 * last]))
    else c.failures = c.failures + failed end
  end
  if isClockBack and isKnown and c.generation == knownGeneration and waitedMs >= c.cooldown then c.till = now end
  local isOpen = c.state == 'open' and c.till > now
  if c.state == 'open' and not isOpen then transition('half-open', COOLDOWN_ELAPSED) end
  local longest = math.max(c.lease, leaseMs)
  for _, member in ipairs(redis.call('ZRANGEBYSCORE', P, '(' .. int(now + longest), '+inf')) do
    redis.call('ZADD', P, int(now + longest), member)
  end
  local taken, isMine = redis.call('ZCARD', P), redis.call('ZSCORE', P, token)
  local isGranted = not isOpen and (isMine or taken < permits)
  if isGranted then
    if not isMine then taken = taken + redis.call('ZADD', P, int(now + leaseMs), token) end
    c.lease = longest
  end
  if isGranted or hasLost then save() end
  if c.generation > before then publish() end
  if isOpen then return answer(0, 0, c.till - now) end
  local wait = math.max(0, tonumber(redis.call('ZRANGE', P, 0, 0, 'WITHSCORES')[2] or now) - now)
  return answer(isGranted and 1 or 0, isGranted and math.max(0, permits - taken) or 0, wait)
end

if op == 'settle' then
  local token, leased, outcome, needed, allowed, why = ARGV[10], ARGV[11] == '1', ARGV[12], arg(4), arg(5), ARGV[17]
  if c.epoch ~= knownEpoch then return stored end
  local at = outcome == 'success' and c.state ~= 'closed' and string.find(';' .. c.lost, ';' .. token .. ';', 1, true)
  if c.generation ~= knownGeneration and not at then return stored end
  local isRefuted = why == LATE_SUCCESS and c.state ~= 'closed' and c.forced ~= '1'
  local isFirst = c.state == 'open' and (c.till <= now or isRefuted) and not leased
  local isCounted = string.find(';' .. c.settled, ';' .. token .. ';', 1, true)
  if (c.state ~= 'half-open' and not isFirst and not at) or isCounted then return stored end
  local till, before = redis.call('ZSCORE', P, token), c.generation
  local isLost = outcome == 'failure' and leased and till and (why == PROBE_LOST or number(till) <= now)
  if isLost then lose(redis.call('ZRANGE', P, 0, -1)) end
  redis.call('ZREM', P, token)
  if outcome == 'neutral' or (outcome == 'failure' and leased and not till) then return stored end
  if isFirst then transition('half-open', COOLDOWN_ELAPSED) end
  if at then
    c.lost = string.sub(c.lost, 1, at - 1) .. string.sub(c.lost, at + #token + 1)
    if c.generation == knownGeneration then c.failures = math.max(0, c.failures - 1) end
  end
  if not isLost then c.settled = c.settled .. token .. ';' end
  if outcome == 'success' then c.successes = c.successes + 1 else c.failures = c.failures + 1 end
  if outcome == 'failure' and c.failures > allowed then
    if isLost then open(arg(6), arg(7), PROBE_LOST, nil, math.min(now, number(till))) else open(arg(6), arg(7), why) end
  elseif c.successes >= needed or isRefuted then transition('closed', why) end
  save()
  if c.generation > before then publish() end
  return view()
end
`;
