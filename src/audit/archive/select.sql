-- The numbers of the records that may leave the database.
--
-- $1: the records must have been written before this time. $2: the numbers that seals cover.
--
-- A chain stays if one of its orders is open, or if an order or an entry of it is too young or not sealed. A break stays
-- if it is open, or if it or its resolution is too young or not sealed. What is linked to something that stays, stays
-- too: a break and each chain whose order it names, whose log mentions it, or that it was booked to.
WITH RECURSIVE staying_chains AS (
    SELECT root_id FROM orders WHERE status IN ('PENDING', 'PARTIAL') OR created_at >= $1
    UNION
    SELECT root_id FROM execution_logs JOIN orders ON orders.id = order_id
    WHERE execution_logs.created_at >= $1 OR NOT execution_logs.sequence <@ $2
), staying_breaks AS (
    SELECT breaks.id FROM breaks LEFT JOIN break_resolutions ON break_id = breaks.id
    WHERE break_id IS NULL OR breaks.created_at >= $1 OR break_resolutions.created_at >= $1
        OR NOT breaks.sequence <@ $2 OR NOT break_resolutions.sequence <@ $2
), links AS (
    SELECT root_id, breaks.id AS break_id FROM breaks JOIN orders ON orders.id = breaks.order_id
    UNION
    SELECT root_id, break_id FROM execution_logs JOIN orders ON orders.id = order_id
    WHERE break_id IS NOT NULL
    UNION
    SELECT root_id, break_id FROM break_resolutions JOIN orders ON orders.id = order_id
), neighbours AS (
    SELECT root_id AS id, break_id AS neighbour FROM links
    UNION ALL
    SELECT break_id, root_id FROM links
), staying (id) AS (
    (SELECT root_id FROM staying_chains UNION SELECT id FROM staying_breaks)
    UNION
    SELECT neighbour FROM staying JOIN neighbours USING (id)
), leaving_orders AS (
    SELECT id, trader_id FROM orders
    WHERE NOT EXISTS (SELECT FROM staying WHERE staying.id = root_id)
), leaving_breaks AS (
    SELECT id, trader_id, sequence FROM breaks
    WHERE NOT EXISTS (SELECT FROM staying WHERE staying.id = breaks.id)
)
SELECT sequence AS number FROM execution_logs WHERE order_id IN (SELECT id FROM leaving_orders)
UNION ALL
SELECT sequence FROM leaving_breaks
UNION ALL
SELECT sequence FROM break_resolutions WHERE break_id IN (SELECT id FROM leaving_breaks)
