/* STM32F405 after ST's RM0090: one image for the silicon and for QEMU's netduinoplus2, which has the core,
   USART1 and the timers, and neither clocks nor pins, ADC behaviour or DMA. What reads as clocks that are not
   there (clock.c) is QEMU: then the host is the only source of samples.

   Ticks. TIM5 counts 84 MHz, or 16 MHz where the crystal or the PLL failed: the hello tells. In QEMU a tick
   is an instruction under `-icount shift=6`.

   Serial. USART1 on PB6 and PB7, which leaves PA9 to PA12 to USB and its bootloader. One interrupt for both
   ways: it takes the byte that came, and gives the next one while the data register is empty. QEMU's is
   always empty and raises no interrupt for it, so myo_port_send pends the interrupt. A byte that the silicon
   lost is counted. */
#include "myo_port.h"

#include "board.h"
#include "clock.h"
#include "cortex_m.h"
#include "registers.h"
#include "scan.h"

#define PIN_TX 6u /* of port B */
#define PIN_RX 7u

const char myo_port_name[] = BOARD_NAME;

#define DECLARE(number, name) void name(void);
BOARD_INTERRUPTS(DECLARE)

static struct {
    myo_byte_ring_t *rx, *tx;
    stm32_clock_t clock;
} port;

/* Runs when a byte came, when one may go, and when myo_port_send pends it. Reading SR, then DR clears what SR
   says of an overrun (30.6.1). */
void usart1_handler(void) {
    const uint32_t begin = cortex_m_begin_interrupt();
    uint32_t state;
    while (((state = stm32_read(USART1_SR)) & (USART_SR_RXNE | USART_SR_ORE)) != 0) {
        const uint8_t byte = (uint8_t)stm32_read(USART1_DR);
        if ((state & USART_SR_RXNE) != 0) {
            myo_byte_ring_put(port.rx, byte);
        }
        if ((state & USART_SR_ORE) != 0) {
            myo_byte_ring_lose(port.rx, 1);
        }
    }
    uint8_t byte;
    while ((stm32_read(USART1_SR) & USART_SR_TXE) != 0) {
        if (!myo_byte_ring_take(port.tx, &byte)) {
            stm32_clear(USART1_CR1, USART_CR1_TXEIE);
            cortex_m_end_interrupt(begin);
            return;
        }
        stm32_write(USART1_DR, byte);
    }
    stm32_set(USART1_CR1, USART_CR1_TXEIE);
    cortex_m_end_interrupt(begin);
}

void tim2_handler(void) {
    const uint32_t begin = cortex_m_begin_interrupt();
    stm32_scan_serve(begin);
    cortex_m_end_interrupt(begin);
}

static void start_ticks(void) {
    stm32_set(RCC_APB1ENR, RCC_APB1ENR_TIM5);
    stm32_write(TIM5_PSC, port.clock.tick_prescaler - 1u);
    stm32_write(TIM5_ARR, UINT32_MAX);
    stm32_write(TIM5_EGR, TIM_EGR_UG); /* the prescaler is taken at an update */
    stm32_write(TIM5_CR1, TIM_CR1_CEN);
}

static void start_serial(void) {
    stm32_set(RCC_AHB1ENR, RCC_AHB1ENR_GPIOB);
    stm32_set(RCC_APB2ENR, RCC_APB2ENR_USART1);
    /* The receiver's pin is held high where nothing is plugged in. */
    stm32_set(GPIOB_PUPDR, GPIO_PULL_UP << 2u * PIN_RX);
    stm32_set(GPIOB_AFRL, GPIO_AF_USART1 << 4u * PIN_TX | GPIO_AF_USART1 << 4u * PIN_RX);
    stm32_write(USART1_CR1, 0);
    stm32_write(USART1_BRR, (port.clock.apb2_hz + BOARD_BAUD / 2u) / BOARD_BAUD);
    stm32_write(USART1_CR1, USART_CR1_UE | USART_CR1_TE | USART_CR1_RE | USART_CR1_RXNEIE);
    /* From here on the line is driven: high, as the transmitter idles. */
    stm32_clear(GPIOB_MODER, 3u << 2u * PIN_TX | 3u << 2u * PIN_RX);
    stm32_set(GPIOB_MODER, GPIO_MODE_ALTERNATE << 2u * PIN_TX | GPIO_MODE_ALTERNATE << 2u * PIN_RX);
}

void myo_port_init(myo_byte_ring_t *rx, myo_byte_ring_t *tx) {
    port.rx = rx;
    port.tx = tx;
    stm32_write(SCB_VTOR, BOARD_FLASH); /* a bootloader that jumps here leaves its own table */
    port.clock = stm32_clock_start();
    start_ticks();
    start_serial();
#define ENABLE(number, name) cortex_m_enable_interrupt(number);
    BOARD_INTERRUPTS(ENABLE)
}

uint32_t myo_port_tick_hz(void) {
    return port.clock.timer_hz / port.clock.tick_prescaler;
}

uint32_t myo_port_ticks(void) {
    return stm32_read(TIM5_CNT);
}

void myo_port_send(void) {
    cortex_m_pend_interrupt(BOARD_IRQ_USART1);
}

/* No auxiliary sensor is wired: a patch with streams runs on samples from the host. */
bool myo_port_aux_start(uint32_t stream, myo_ring_t *ring, uint32_t rate_mhz, uint32_t emg_rate_mhz,
                        uint8_t adc_bits) {
    (void)stream, (void)ring, (void)rate_mhz, (void)emg_rate_mhz, (void)adc_bits;
    return false;
}

bool myo_port_adc_start(myo_ring_t *ring, uint32_t rate_mhz, uint8_t adc_bits) {
    return !port.clock.is_emulated && stm32_scan_start(ring, rate_mhz, adc_bits, port.clock.timer_hz);
}

void myo_port_adc_stop(void) {
    cortex_m_lock();
    stm32_scan_stop();
    cortex_m_unlock();
}
