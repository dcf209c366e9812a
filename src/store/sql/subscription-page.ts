/**
 * A job's subscriptions in the order of their ids, in SQL, to be followed by a limit: as many are
 * read, however many there are. Compared as pairs and ordered by both columns, since the index by job
 * gives that order and no other does: with a plain comparison of the job, the planner may go through
 * all subscriptions of the shard in the order of their ids.
 */
export function subscriptionsInOrder(of: {
  readonly columns: string;
  readonly shardId: string;
  readonly jobRowId: string;
  /** The last one that is left out. */
  readonly afterId: string;
  /** The last one that is not. */
  readonly upToId: string;
}): string {
  return `
select ${of.columns} from subscriptions as candidate
where candidate.shard_id = ${of.shardId}
  and (candidate.job_row_id, candidate.id) > (${of.jobRowId}, ${of.afterId})
  and (candidate.job_row_id, candidate.id) <= (${of.jobRowId}, ${of.upToId})
order by candidate.job_row_id, candidate.id`;
}
