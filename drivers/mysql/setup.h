/* The room of MySQL: start-up only. */
#ifndef REEF_MYSQL_SETUP_H
#define REEF_MYSQL_SETUP_H

void reef_mysql_setup(void);

#endif
