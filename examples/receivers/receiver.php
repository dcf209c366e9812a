<?php // examples/receivers/receiver.php

// Standard Webhooks: HMAC-SHA256 over "<id>.<timestamp>.<body>", one or more signatures between spaces.
function isVerified(string $body, string $id, string $timestamp, string $signatures): bool
{
    $toleranceS = 5 * 60;
    if (abs(time() - (int) $timestamp) > $toleranceS) {
        return false;
    }
    $secret = base64_decode(substr(getenv('WEBHOOK_SECRET'), strlen('whsec_')));
    $mac = hash_hmac('sha256', "$id.$timestamp.$body", $secret, true);
    $expected = 'v1,' . base64_encode($mac);
    foreach (explode(' ', $signatures) as $signature) {
        if (hash_equals($expected, $signature)) {
            return true;
        }
    }
    return false;
}

$body = file_get_contents('php://input'); // the exact bytes: verify before anything parses them
$id = $_SERVER['HTTP_WEBHOOK_ID'] ?? '';
$timestamp = $_SERVER['HTTP_WEBHOOK_TIMESTAMP'] ?? '';
$signatures = $_SERVER['HTTP_WEBHOOK_SIGNATURE'] ?? '';

if (isVerified($body, $id, $timestamp, $signatures)) {
    $event = json_decode($body, true);
    // Not every operational event is about a job.
    $jobId = $event['data']['job_id'] ?? '';
    file_put_contents('php://stdout', "$id {$event['type']} $jobId\n");
    http_response_code(204);
} else {
    http_response_code(400);
}
