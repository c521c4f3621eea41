/** Adds the outcomes of a process to those of all, and decides whether the circuit opens or a question is put. */
export const REPORT = `
if op == 'report' then
  local reporter, sequence, tripped, quorum, gatherMs = ARGV[10], arg(2), ARGV[12] == '1', arg(4), arg(5)
  local cooldown, attempts, why, windowMs = arg(6), arg(7), ARGV[17], arg(9)
  local needed, rate, minimum, minSpan, maxAge, rules = arg(10), arg(11), arg(12), arg(13), arg(14), ARGV[24]
  local isCurrent = knownEpoch == '' or c.generation == 0 or (isKnown and c.generation == knownGeneration)
  if c.state ~= 'closed' or not isCurrent then return counted(stored, 0, 0, 0, '') end

  local R = KEYS[4]
  local version = c.epoch .. ':' .. int(c.generation) .. ':'
  local taken = redis.call('GET', R)
  local isTaken = taken and string.sub(taken, 1, #version) == version and sequence <= number(string.sub(taken, #version + 1))
  local failed, others, bad, total, compiled = 0, h[20] and h[20] ~= rules and h[20] or '', 0, 0, false
  local over, near = false, false

  if windowMs > 0 then
    local length, sums = windowMs / 10, {}
    local current = math.floor(now / length)
    local function add(age, b, t)
      local sum = sums[age] or { 0, 0 }
      sum[1], sum[2] = sum[1] + b, sum[2] + t
      sums[age] = sum
    end
    for index, b, t in string.gmatch(h[21] or '', '(%d+):(%d+):(%d+)') do
      local age = current - tonumber(index)
      if age >= 0 and age < 10 then add(age, tonumber(b), tonumber(t)) end
    end
    for age, b, t in string.gmatch(ARGV[25], '(%d+):(%d+):(%d+)') do
      failed = failed + tonumber(b)
      if not isTaken then add(math.min(9, tonumber(age)), tonumber(b), tonumber(t)) end
    end
    local list = {}
    for age = 9, 0, -1 do
      local sum = sums[age]
      if sum then
        bad, total = bad + sum[1], total + sum[2]
        list[#list + 1] = int(current - age) .. ':' .. int(sum[1]) .. ':' .. int(sum[2])
      end
    end
    compiled = table.concat(list, ';')
    over = bad >= needed and total >= minimum and bad / math.max(1, total) >= rate
    near = over
  elseif windowMs == 0 then
    local firstAge, lastAge, successAge = arg(18), arg(19), arg(20)
    failed = lastAge >= 0 and 1 or 0
    local n, first, last, success = string.match(h[21] or '', '^(%d+):(%d+):(%d+):(%d+)$')
    n, first, last, success = number(n), number(first), number(last), math.min(now, number(success))
    if first > now or last > now then n = 0 end
    if not isTaken then
      local before = success
      if successAge >= 0 then
        success = math.max(success, now - successAge)
        if now - successAge >= first then n = 0 end
      end
      if maxAge > 0 and first <= now - maxAge then n = 0 end
      if n == 0 and quorum > 1 then redis.call('DEL', V) end
      local mine, latest, counts = now - firstAge, now - lastAge, arg(17)
      if failed > 0 and latest >= before and n + counts > 0 then
        if mine < before then mine, counts = latest, math.min(1, counts) end
        first = n == 0 and mine or math.min(first, mine)
        n, last = n + counts, math.max(n == 0 and 0 or last, latest)
      end
    end
    bad, total = n, n
    compiled = int(n) .. ':' .. int(first) .. ':' .. int(last) .. ':' .. int(success)
    over = n >= needed and last - first >= minSpan
    near = n >= needed and last - first >= minSpan - gatherMs
    c.first = first
  end

  local isEnough = true
  if quorum > 1 then
    local horizon = windowMs > 0 and windowMs or math.max(60000, cooldown)
    redis.call('ZREMRANGEBYSCORE', V, '-inf', int(now - horizon))
    redis.call('ZREMRANGEBYSCORE', V, '(' .. int(now), '+inf')
    if (failed > 0 or tripped) and not isTaken then redis.call('ZADD', V, int(now), reporter) end
    isEnough = redis.call('ZCARD', V) >= quorum
    redis.call('PEXPIRE', V, int(math.max(horizon, 1000)))
  end
  local keep = math.max(10000, math.min(3600000, expiresAt - now + 10000))
  if not isTaken then
    redis.call('SET', R, version .. int(sequence), 'PX', int(keep))
    c.served = math.min(LATEST, c.served + arg(21))
    if c.served >= SERVED_AGAIN then c.attempts = 0 end
  end

  local judgeIn, isChanged, isAsking = 0, not exists or c.generation ~= number(h[2]), false
  local ends, isMine = c.ask + c.askFor, c.askWindow == math.max(0, windowMs)
  local mustAsk = windowMs == 0 or rate > 0
  local mayOpen = tripped or (over and not mustAsk)
  local heldFor = c.ask - c.askSince >= math.max(0, minSpan) and ANSWERED_FOR or math.min(ANSWERED_FOR, c.askFor)
  if near and mustAsk and isEnough then
    if c.ask > 0 and c.askFor > 0 and now < ends then judgeIn = ends - now
    elseif c.ask > 0 and c.askFor > 0 and isMine and now < ends + heldFor then mayOpen = tripped or over
    elseif c.ask > 0 and c.askFor == 0 and now < c.ask + ASK_AGAIN then judgeIn = c.ask + ASK_AGAIN - now
    else
      c.ask, c.askFor, c.askWindow, c.askSince = now, gatherMs, math.max(0, windowMs), c.first or now
      judgeIn, isChanged, isAsking = gatherMs, true, true
    end
  elseif c.askFor > 0 and isMine and not near then
    c.ask, c.askFor, isChanged, isAsking = now, 0, true, now < ends
  end
  if isEnough and mayOpen then
    open(cooldown, attempts, why)
    save()
    publish()
    return counted(view(), 0, 0, 0, others)
  end
  if isChanged then save() else
    local longest = remember()
    redis.call('HSET', S, 'remember', longest, 'served', int(c.served), 'attempts', int(c.attempts))
    redis.call('PEXPIRE', S, ttl)
  end
  if compiled and windowMs >= 0 then redis.call('HSET', S, windowField, compiled, 'rules', rules) end
  if isAsking then publish() end
  return counted(view(), bad, total, judgeIn, others)
end
`;
