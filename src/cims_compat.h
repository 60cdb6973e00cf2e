/*
 * cims_compat.h
 *		The only place that tests PG_VERSION_NUM: what differs between the
 *		supported servers, PostgreSQL 15 to 18, under one name.
 */
#ifndef CIMS_COMPAT_H
#define CIMS_COMPAT_H

/* VARDATA and its kin; before 16 they came with postgres.h */
#if PG_VERSION_NUM >= 160000
#include "varatt.h"
#endif

/* before 18 what does not return was marked behind its declaration */
#if PG_VERSION_NUM < 180000
#define pg_noreturn pg_attribute_noreturn()
#endif

/* miscadmin.h; before 17 postmaster/autovacuum.h had it under another name */
#if PG_VERSION_NUM < 170000
#define AmAutoVacuumWorkerProcess() IsAutoVacuumWorkerProcess()
#endif

/* commands/vacuum.h */
#if PG_VERSION_NUM >= 170000
#define cims_statistics_target(stats) ((stats)->attstattarget)
#else
#define cims_statistics_target(stats) ((stats)->attr->attstattarget)
#endif

#if PG_VERSION_NUM >= 180000
#define cims_vacuum_delay_point() vacuum_delay_point(true)
#else
#define cims_vacuum_delay_point() vacuum_delay_point()
#endif

/* storage/procsignal.h: a backend whose number is not known */
#if PG_VERSION_NUM >= 170000
#define CIMS_NO_BACKEND INVALID_PROC_NUMBER
#else
#define CIMS_NO_BACKEND InvalidBackendId
#endif

/* utils/backend_status.h */
#if PG_VERSION_NUM >= 160000
#define cims_compat_local_beentry(index) pgstat_get_local_beentry_by_index(index)
#else
#define cims_compat_local_beentry(index) pgstat_fetch_stat_local_beentry(index)
#endif

/* 16: permission checks moved from range table entries to nodes of their own */
#if PG_VERSION_NUM >= 160000
#define CimsPermissionInfo RTEPermissionInfo
#define CIMS_CHECK_PERMS_FUNCTION(name) name(List *rangeTable, List *permissions, bool ereport_on_violation)
#define CIMS_CHECK_PERMS_NEXT(next) next(rangeTable, permissions, ereport_on_violation)
#define CIMS_CHECK_PERMS_LIST permissions
#define CIMS_QUERY_PERMISSIONS(query) ((query)->rteperminfos)
#else
#define CimsPermissionInfo RangeTblEntry
#define CIMS_CHECK_PERMS_FUNCTION(name) name(List *permissions, bool ereport_on_violation)
#define CIMS_CHECK_PERMS_NEXT(next) next(permissions, ereport_on_violation)
#define CIMS_CHECK_PERMS_LIST permissions
#define CIMS_QUERY_PERMISSIONS(query) ((query)->rtable)
#endif

/* 18: SetOp compares columns of both inputs, cmpColIdx instead of dupColIdx */
#if PG_VERSION_NUM >= 180000
#define CIMS_SETOP_COLUMNS(setop) ((setop)->cmpColIdx)
#else
#define CIMS_SETOP_COLUMNS(setop) ((setop)->dupColIdx)
#endif

/* storage/proc.h: the number of a process's transaction, and of this one's; 17 moved it */
#if PG_VERSION_NUM >= 170000
#define CIMS_TRANSACTION_OF(proc) ((proc)->vxid.lxid)
#else
#define CIMS_TRANSACTION_OF(proc) ((proc)->lxid)
#endif
#define CIMS_LOCAL_TRANSACTION CIMS_TRANSACTION_OF(MyProc)

/* 16: updates tell summarizing indexes from others; ownership checks moved into object_ownercheck */
#if PG_VERSION_NUM >= 160000
#define CimsUpdateIndexes TU_UpdateIndexes
#define CIMS_UPDATE_NEEDS_INDEXES(update) ((update) != TU_None)
#define CIMS_INSERT_INDEX_TUPLES(target, slot, estate, update) \
	ExecInsertIndexTuples(target, slot, estate, true, false, NULL, NIL, (update) == TU_Summarizing)
#define CIMS_OWNS_RELATION(relation, role) object_ownercheck(RelationRelationId, relation, role)
#else
#define CimsUpdateIndexes bool
#define CIMS_UPDATE_NEEDS_INDEXES(update) (update)
#define CIMS_INSERT_INDEX_TUPLES(target, slot, estate, update) \
	ExecInsertIndexTuples(target, slot, estate, true, false, NULL, NIL)
#define CIMS_OWNS_RELATION(relation, role) pg_class_ownercheck(relation, role)
#endif

/* 16: GRANT of roles has a list of options */
#if PG_VERSION_NUM >= 160000
#define CIMS_GRANT_ROLE_OPTIONS(statement) ((statement)->opt != NIL)
#else
#define CIMS_GRANT_ROLE_OPTIONS(statement) ((statement)->admin_opt)
#endif

/* 17: ALTER TABLE ... SET EXPRESSION */
#if PG_VERSION_NUM >= 170000
#define CIMS_HAVE_SET_EXPRESSION
#endif

/* 18: a query is always run in pieces where it may be */
#if PG_VERSION_NUM >= 180000
#define CIMS_EXECUTOR_RUN_FUNCTION(name) name(QueryDesc *query, ScanDirection direction, uint64 count)
#define CIMS_EXECUTOR_RUN_CALL(next) next(query, direction, count)
#define CIMS_EXECUTOR_RUN_ALL(query) ExecutorRun(query, ForwardScanDirection, 0)
#else
#define CIMS_EXECUTOR_RUN_FUNCTION(name) name(QueryDesc *query, ScanDirection direction, uint64 count, bool once)
#define CIMS_EXECUTOR_RUN_CALL(next) next(query, direction, count, once)
#define CIMS_EXECUTOR_RUN_ALL(query) ExecutorRun(query, ForwardScanDirection, 0, true)
#endif

/* 16: memory of settings is no longer plain malloc's; being a member and being allowed to SET ROLE are two things */
#if PG_VERSION_NUM >= 160000
#define cims_guc_malloc(size) guc_malloc(LOG, size)
#define cims_guc_strdup(string) guc_strdup(LOG, string)
#define cims_guc_free(pointer) guc_free(pointer)
#define CIMS_MAY_SET_ROLE(user, role) member_can_set_role(user, role)
#else
#define cims_guc_malloc(size) malloc(size)
#define cims_guc_strdup(string) strdup(string)
#define cims_guc_free(pointer) free(pointer)
#define CIMS_MAY_SET_ROLE(user, role) is_member_of_role(user, role)
#endif

/* access/genam.h; from 17 on what an index remembers of one insertion for the next may hold buffers, to be let go of */
#if PG_VERSION_NUM >= 170000
#define CIMS_INDEX_INSERT_CLEANUP(index, info) index_insert_cleanup(index, info)
#else
#define CIMS_INDEX_INSERT_CLEANUP(index, info) ((void) (info))
#endif

/* storage/bufmgr.h; 16 renamed what names a relation's file */
#if PG_VERSION_NUM >= 160000
#define CIMS_READ_RECENT(relation, block, buffer) ReadRecentBuffer((relation)->rd_locator, MAIN_FORKNUM, block, buffer)
#else
#define CIMS_READ_RECENT(relation, block, buffer) ReadRecentBuffer((relation)->rd_node, MAIN_FORKNUM, block, buffer)
#endif

/* 18: index scans are instrumented; one process alone iterates over a bitmap by functions of its own */
#if PG_VERSION_NUM >= 180000
#define CIMS_INDEX_BEGINSCAN(heap, index, snapshot, keys) index_beginscan(heap, index, snapshot, NULL, keys, 0)
#define CIMS_INDEX_BEGINSCAN_BITMAP(index, snapshot, keys) index_beginscan_bitmap(index, snapshot, NULL, keys)
#define CimsBitmapIterator TBMPrivateIterator
#define CIMS_BITMAP_BEGIN(bitmap) tbm_begin_private_iterate(bitmap)
#define CIMS_BITMAP_NEXT(iterator, page) (tbm_private_iterate(iterator, page) && BlockNumberIsValid((page)->blockno))
#define CIMS_BITMAP_END(iterator) tbm_end_private_iterate(iterator)
#define CimsBitmapPage TBMIterateResult
#define CIMS_BITMAP_BLOCK(page) ((page).blockno)
#else
#define CIMS_INDEX_BEGINSCAN(heap, index, snapshot, keys) index_beginscan(heap, index, snapshot, keys, 0)
#define CIMS_INDEX_BEGINSCAN_BITMAP(index, snapshot, keys) index_beginscan_bitmap(index, snapshot, keys)
#define CimsBitmapIterator TBMIterator
#define CIMS_BITMAP_BEGIN(bitmap) tbm_begin_iterate(bitmap)
#define CIMS_BITMAP_NEXT(iterator, page) ((*(page) = tbm_iterate(iterator)) != NULL)
#define CIMS_BITMAP_END(iterator) tbm_end_iterate(iterator)
#define CimsBitmapPage TBMIterateResult *
#define CIMS_BITMAP_BLOCK(page) ((page)->blockno)
#endif

/* utils/relcache.h; 18 can tell of deferrable keys too, those before never do */
#if PG_VERSION_NUM >= 180000
#define CIMS_PRIMARY_KEY_INDEX(relation) RelationGetPrimaryKeyIndex(relation, false)
#else
#define CIMS_PRIMARY_KEY_INDEX(relation) RelationGetPrimaryKeyIndex(relation)
#endif

/* EnableQueryId; 16 moved its header */
#if PG_VERSION_NUM >= 160000
#include "nodes/queryjumble.h"
#else
#include "utils/queryjumble.h"
#endif

#endif
