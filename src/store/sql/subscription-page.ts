/**
 * A job's subscriptions in the order of their ids, in SQL, to be followed by a limit: it reads no
 * more rows than that. Compared as pairs and ordered by both columns, since only the index by job
 * gives that order: with a plain comparison of the job, the planner may go through all
 * subscriptions of the shard in the order of their ids.
 */
export function subscriptionsInOrder(of: {
  readonly columns: string;
  readonly shardId: string;
  readonly jobRowId: string;
  /** The last subscription before the range. */
  readonly afterId: string;
  /** The last subscription of the range. */
  readonly upToId: string;
}): string {
  return `
select ${of.columns} from subscriptions as candidate
where candidate.shard_id = ${of.shardId}
  and (candidate.job_row_id, candidate.id) > (${of.jobRowId}, ${of.afterId})
  and (candidate.job_row_id, candidate.id) <= (${of.jobRowId}, ${of.upToId})
order by candidate.job_row_id, candidate.id`;
}
