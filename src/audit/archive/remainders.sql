-- Orders and breaks of which only a part would be removed, so that nothing is. Something was added after the file was
-- written, or somebody has left out records.
SELECT 'order' AS noun, id, 'is open' AS why FROM orders
WHERE status IN ('PENDING', 'PARTIAL') AND EXISTS (SELECT FROM pg_temp.archived_orders AS leaving WHERE leaving.id = orders.id)
UNION ALL
SELECT 'order', id, 'belongs to a chain of which the file has a part' FROM orders
WHERE EXISTS (SELECT FROM pg_temp.archived_orders AS leaving WHERE leaving.id = orders.id)
    <> EXISTS (SELECT FROM pg_temp.archived_orders AS leaving WHERE leaving.id = orders.root_id)
UNION ALL
SELECT 'order', order_id, 'has an entry that the file lacks' FROM execution_logs
WHERE EXISTS (SELECT FROM pg_temp.archived_orders AS leaving WHERE leaving.id = order_id)
    AND NOT EXISTS (SELECT FROM pg_temp.archived_records WHERE number = sequence)
UNION ALL
SELECT 'order', order_id, 'has an entry in the file, which lacks the order' FROM execution_logs
WHERE NOT EXISTS (SELECT FROM pg_temp.archived_orders AS leaving WHERE leaving.id = order_id)
    AND EXISTS (SELECT FROM pg_temp.archived_records WHERE number = sequence)
UNION ALL
SELECT 'order', order_id, 'has a fill that the file lacks' FROM fills
WHERE EXISTS (SELECT FROM pg_temp.archived_orders AS leaving WHERE leaving.id = order_id)
    AND NOT EXISTS (SELECT FROM pg_temp.archived_fills AS leaving WHERE leaving.id = fills.id)
UNION ALL
SELECT 'order', order_id, 'stays and has something of a break in the file' FROM (
    SELECT order_id, break_id FROM execution_logs WHERE break_id IS NOT NULL
    UNION ALL
    SELECT order_id, break_id FROM fills WHERE break_id IS NOT NULL
    UNION ALL
    SELECT order_id, break_id FROM break_resolutions WHERE order_id IS NOT NULL
) AS concerned
WHERE EXISTS (SELECT FROM pg_temp.archived_breaks AS leaving WHERE leaving.id = break_id)
    AND NOT EXISTS (SELECT FROM pg_temp.archived_orders AS leaving WHERE leaving.id = order_id)
UNION ALL
SELECT 'break', id, 'names an order in the file, which lacks the break' FROM breaks
WHERE EXISTS (SELECT FROM pg_temp.archived_orders AS leaving WHERE leaving.id = order_id)
    AND NOT EXISTS (SELECT FROM pg_temp.archived_breaks AS leaving WHERE leaving.id = breaks.id)
UNION ALL
SELECT 'break', breaks.id, 'has no resolution in the file' FROM breaks
LEFT JOIN break_resolutions ON break_id = breaks.id
WHERE EXISTS (SELECT FROM pg_temp.archived_breaks AS leaving WHERE leaving.id = breaks.id)
    AND NOT EXISTS (SELECT FROM pg_temp.archived_records WHERE number = break_resolutions.sequence)
UNION ALL
SELECT 'break', break_id, 'has its resolution in the file, which lacks the break' FROM break_resolutions
WHERE EXISTS (SELECT FROM pg_temp.archived_records WHERE number = sequence)
    AND NOT EXISTS (SELECT FROM pg_temp.archived_breaks AS leaving WHERE leaving.id = break_id)
UNION ALL
SELECT 'break', break_id, 'was booked to an order in the file, which lacks the break' FROM break_resolutions
WHERE EXISTS (SELECT FROM pg_temp.archived_orders AS leaving WHERE leaving.id = order_id)
    AND NOT EXISTS (SELECT FROM pg_temp.archived_records WHERE number = sequence)
LIMIT 1
